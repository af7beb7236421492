"""Text recognition in pictures (extra `ocr`)."""
