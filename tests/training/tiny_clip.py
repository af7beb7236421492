"""A CLIP of a few thousand numbers, made with transformers and saved in its real format."""

import json

import torch
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

FIRST, END = "<|startoftext|>", "<|endoftext|>"


def tiny_clip(folder, *, places=24, side=32, width=32, dropout=0.0, seed=0):
    """Writes config.json, model.safetensors and a tokenizer of single letters; returns the folder."""
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), FIRST, END]
    tower = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2, "num_attention_heads": 2}
    tower["attention_dropout"] = dropout
    ends = {"bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1}
    torch.manual_seed(seed)
    model = CLIPModel(
        CLIPConfig(
            text_config={**tower, **ends, "vocab_size": len(vocabulary), "max_position_embeddings": places},
            vision_config={**tower, "image_size": side, "patch_size": side // 4},
            projection_dim=16,
        )
    )
    model.save_pretrained(folder)
    tokenizer = CLIPTokenizer(vocab={word: place for place, word in enumerate(vocabulary)}, merges=[])
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    return folder
