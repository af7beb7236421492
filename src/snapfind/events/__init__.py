"""What shoppers did: searches, impressions, clicks and what came of them; read by rankers, fits and reports."""
