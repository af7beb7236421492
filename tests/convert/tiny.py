"""Models of a few thousand numbers, made with the libraries that shops' models come from, saved in their formats."""

import json

import torch
import transformers as hf
from PIL import Image

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
FIRST, END = "<|startoftext|>", "<|endoftext|>"


def clip(folder, *, places=24, side=32):
    """A CLIPModel whose tokenizer knows every byte."""
    letters = _bytes()
    words = [*letters, *(f"{letter}</w>" for letter in letters), "re", "red</w>", FIRST, END]
    ends = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1}
    torch.manual_seed(0)
    config = hf.CLIPConfig(
        text_config={**TOWER, **ends, "vocab_size": len(words), "max_position_embeddings": places},
        vision_config={**TOWER, "image_size": side, "patch_size": side // 4},
        projection_dim=16,
        **ends,
    )
    hf.CLIPModel(config).save_pretrained(folder)
    vocabulary = {word: place for place, word in enumerate(words)}
    hf.CLIPTokenizer(vocab=vocabulary, merges=[("r", "e"), ("re", "d</w>")], model_max_length=places).save_pretrained(
        folder
    )
    hf.CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side}).save_pretrained(
        folder
    )
    return folder


def siglip(folder, spiece, *, places=64, side=32):
    """A SiglipModel with a sentencepiece file, as the real ones have."""
    torch.manual_seed(1)
    tokenizer = hf.SiglipTokenizer(str(spiece), model_max_length=places)
    config = hf.SiglipConfig(
        text_config={**TOWER, "vocab_size": tokenizer.vocab_size, "max_position_embeddings": places},
        vision_config={**TOWER, "image_size": side, "patch_size": side // 4},
    )
    hf.SiglipModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    hf.SiglipImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def chinese_clip(folder, *, places=52, side=32):
    """A ChineseCLIPModel with nothing but a vocab.txt of BERT beside it."""
    signs = sorted(set("一个红色陶瓷杯蓝手工制作的茶壶绿，。"))
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [
        *marks,
        *signs,
        *"abcdefghijklmnopqrstuvwxyz0123456789.,!?()-'",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
    ]
    torch.manual_seed(2)
    config = hf.ChineseCLIPConfig(
        text_config={**TOWER, "vocab_size": len(words), "max_position_embeddings": places},
        vision_config={**TOWER, "image_size": side, "patch_size": side // 4},
        projection_dim=16,
    )
    hf.ChineseCLIPModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    hf.ChineseCLIPImageProcessor(size={"height": side, "width": side}, do_center_crop=False).save_pretrained(folder)
    return folder


def dinov2(folder, *, side=28):
    """A Dinov2Model: pictures only, scaled to a little more than it sees."""
    torch.manual_seed(3)
    tower = {name: value for name, value in TOWER.items() if name != "intermediate_size"}
    hf.Dinov2Model(hf.Dinov2Config(**tower, image_size=side, patch_size=14)).save_pretrained(folder)
    hf.BitImageProcessor(
        size={"shortest_edge": side + 4},
        crop_size={"height": side, "width": side},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
        resample=Image.Resampling.BICUBIC,
    ).save_pretrained(folder)
    return folder


def dinov3(folder, *, side=32):
    """A DINOv3ViTModel with its rotary places and register tokens."""
    torch.manual_seed(6)
    hf.DINOv3ViTModel(
        hf.DINOv3ViTConfig(**TOWER, image_size=side, patch_size=8, num_register_tokens=2)
    ).save_pretrained(folder)
    hf.DINOv3ViTImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def vit(folder, *, side=32):
    """A ViT as it is saved behind its classifier."""
    torch.manual_seed(7)
    hf.ViTForImageClassification(hf.ViTConfig(**TOWER, image_size=side, patch_size=8)).save_pretrained(folder)
    hf.ViTImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)
    return folder


def open_clip(folder, vision, *, embed=16, places=24, weights="safetensors"):
    """What open_clip pushes to a hub: its config, its weights, no tokenizer of its own."""
    import open_clip as library
    from open_clip.push_to_hf_hub import save_config_for_hf
    from safetensors.torch import save_file

    config = {
        "embed_dim": embed,
        "vision_cfg": vision,
        "text_cfg": {"context_length": places, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    folder.mkdir(parents=True, exist_ok=True)
    library.add_model_config(_config(folder, config))
    torch.manual_seed(4)
    model = library.create_model(folder.name)
    save_config_for_hf(model, folder / "open_clip_config.json", config)
    if weights == "safetensors":
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    else:
        torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


def _config(folder, config):
    path = folder.parent / f"{folder.name}.json"
    path.write_text(json.dumps(config))
    return path


def _bytes():
    from open_clip.tokenizer import bytes_to_unicode

    return list(bytes_to_unicode().values())


def timm(folder, architecture):
    """What timm pushes to a hub: config.json and model.safetensors, the classifier among the weights."""
    import timm as library
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    torch.manual_seed(5)
    model = library.create_model(architecture, pretrained=False)
    save_file(model.state_dict(), folder / "model.safetensors")
    told = {"architecture": architecture, "num_classes": 1000, "pretrained_cfg": model.pretrained_cfg}
    (folder / "config.json").write_text(json.dumps(told, default=str))
    return folder


def weights_of(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")
