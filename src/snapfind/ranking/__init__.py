"""Click models: cross-domain CTR, listwise reranking, judging a ranker from its logs. Learning needs PyTorch."""
