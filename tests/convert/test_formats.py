"""Every format answers as its own library does: pixels, ids and rows, by an independent way through that library."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from snapfind.convert.precision import in_precision
from snapfind.core.errors import BadInput
from snapfind.encoders.image.preprocess import to_tensor
from snapfind.encoders.onnx_session import open_session
from tests.convert import tiny
from tests.pictures import picture

TEXTS = [
    "a red ceramic mug",
    "En RÖD kopp, av keramik!",
    "红色陶瓷杯，手工制作",
    "two  mugs (2 pcs.)",
    "",
    "mug " * 90,
]
SIZES = [(96, 96), (61, 40), (33, 200), (500, 31), (47, 46)]


def photos():
    rng = np.random.default_rng(5)
    noise = [Image.fromarray(rng.integers(0, 255, (high, wide, 3), np.uint8)) for wide, high in SIZES]
    return [*(picture(number) for number in range(3)), *noise, picture(4).convert("L").convert("RGB")]


def unit(rows):
    return (rows / rows.norm(dim=1, keepdim=True)).numpy()


def slow(name):
    return pytest.param(name, marks=pytest.mark.slow)


def seen_alone(answer, name):
    return answer.last_hidden_state[:, 0] if name == "vit" else answer.pooler_output


def rows_of(answer):
    return answer if isinstance(answer, torch.Tensor) else answer.pooler_output


@pytest.mark.parametrize("name", ["clip", "siglip", "chinese", "dino", slow("dinov3"), slow("vit")])
def test_transformers_answer_as_they_do_themselves(name, request, made):
    folder = request.getfixturevalue(name)
    converted = made(folder)[1]
    model, processor = (
        AutoModel.from_pretrained(folder).eval(),
        AutoImageProcessor.from_pretrained(folder, backend="pil"),
    )
    planes = processor(images=photos(), return_tensors="pt")["pixel_values"]
    told = processor.image_mean, processor.image_std
    levels = 255 * (planes.permute(0, 2, 3, 1) * torch.tensor(told[1]) + torch.tensor(told[0]))
    assert np.abs(to_tensor(photos(), converted.tower.preprocessing) - levels.numpy()).max() <= 1.01
    alone = name in {"dino", "dinov3", "vit"}
    with torch.no_grad():
        wanted = unit(seen_alone(model(planes), name) if alone else rows_of(model.get_image_features(planes)))
    assert (converted.tower.images(photos(), "query") * wanted).sum(axis=1).min() > 1 - 1e-4
    assert (converted.tower.words is None) == alone


@pytest.mark.parametrize(("name", "length"), [("clip", 24), ("siglip", 64), ("chinese", 52)])
def test_texts_get_the_ids_and_rows_of_their_library(name, length, request, made):
    folder = request.getfixturevalue(name)
    words = made(folder)[1].tower.words
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    padding = "max_length" if name == "siglip" else True
    own = tokenizer(TEXTS, padding=padding, max_length=length, truncation=True, return_tensors="pt")
    given = words.ids(TEXTS)
    assert np.array_equal(given["ids"], own["input_ids"].numpy())
    assert given["ids"].shape[1] == length
    mask = {"attention_mask": own["attention_mask"]} if name == "chinese" else {}
    with torch.no_grad():
        wanted = unit(rows_of(model.get_text_features(own["input_ids"], **mask)))
    assert (words.texts(TEXTS, "query") * wanted).sum(axis=1).min() > 1 - 1e-4
    assert words.texts(TEXTS[:1], "query") == pytest.approx(
        words.texts(TEXTS, "query")[:1], abs=1e-5
    )  # padding is nothing
    assert words.texts([], "query").shape == (0, wanted.shape[1])


def test_chinese_texts_are_told_apart(chinese, made):
    words = made(chinese)[1].tower.words
    rows = words.texts(["红色陶瓷杯", "蓝色茶壶"], "query")
    assert 4 not in words.ids(["红色陶瓷杯"])["ids"]  # no sign is unknown
    assert np.abs(rows[0] - rows[1]).max() > 1e-3


def of_open_clip(folder):
    import open_clip

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return model.eval(), transform, open_clip.get_tokenizer(f"local-dir:{folder}")


def agrees_with_open_clip(folder, tower):
    model, transform, tokenizer = of_open_clip(folder)
    ids = tokenizer(TEXTS)
    assert np.array_equal(tower.words.ids(TEXTS)["ids"], ids.numpy())
    with torch.no_grad():
        seen = unit(model.encode_image(torch.stack([transform(photo) for photo in photos()])))
        read = unit(model.encode_text(ids))
    assert (tower.images(photos(), "query") * seen).sum(axis=1).min() > 1 - 1e-4
    assert (tower.texts(TEXTS, "query") * read).sum(axis=1).min() > 1 - 1e-4


def test_open_clip_answers_as_it_does_itself(open_clip, made):
    agrees_with_open_clip(open_clip, made(open_clip)[1].tower)


@pytest.mark.slow
def test_an_eva_of_open_clip_from_weights_in_a_pickle_of_numbers(models, made):
    vision = {"timm_model_name": "eva02_tiny_patch14_224", "timm_model_pretrained": False, "timm_pool": "token"}
    folder = tiny.open_clip(
        models / "my-eva", {**vision, "timm_proj": None, "image_size": 224}, embed=192, weights="bin"
    )
    agrees_with_open_clip(folder, made(folder)[1].tower)


def test_timm_answers_as_it_does_itself(models, made):
    import timm
    from timm.data import create_transform, resolve_data_config

    folder = tiny.timm(models / "my-timm", "test_vit")
    tower = made(folder)[1].tower
    model = timm.create_model("test_vit", num_classes=0, pretrained=False)
    model.load_state_dict(tiny.weights_of(folder), strict=False)
    transform = create_transform(**resolve_data_config({}, model=model), is_training=False)
    with torch.no_grad():
        wanted = unit(model.eval()(torch.stack([transform(photo) for photo in photos()])))
    assert (tower.images(photos(), "query") * wanted).sum(axis=1).min() > 1 - 1e-4


@pytest.mark.parametrize(("precision", "part", "least"), [("fp16", 0.55, 0.99999), ("int8", 0.55, 0.99)])
def test_smaller_files_answer_nearly_alike(open_clip, made, precision, part, least):
    artifact, converted = made(open_clip)
    whole = (artifact / "text.onnx").read_bytes()
    small = in_precision(whole, precision)
    assert len(small) < part * len(whole)  # nearly all of it are embeddings, which int8 stores as fp16 does
    given = converted.tower.words.ids(TEXTS)
    one, other = (unit(torch.from_numpy(open_session(file, 1).run(None, given)[0])) for file in (whole, small))
    assert least < (one * other).sum(axis=1).min() < 1
    assert (precision == "int8") == (b"MatMulInteger" in small)


def test_another_precision_is_refused():
    with pytest.raises(BadInput, match="one of fp32, fp16, int8"):
        in_precision(b"", "int4")
