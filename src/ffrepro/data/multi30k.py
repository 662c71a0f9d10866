"""Multi30k, task 1: English captions of photographs and their German translations (Elliott et al. 2016)."""

from ffrepro.data.translations import TranslationSpec

SPEC = TranslationSpec(
    name="multi30k",
    title="Multi30k",
    pattern=r"[^/]+/data/task1/raw/(?P<part>train|val|test_2016_flickr)\.(?P<language>en|de)\.gz",
    parts={"train": "train", "val": "val", "test_2016_flickr": "test"},
    source_language="en",
    target_language="de",
    upstream={"train": 29000, "val": 1014, "test": 1000},
    licence="captions: CC BY-NC-SA 4.0 (upstream's README)",
    citation="D. Elliott, S. Frank, K. Sima'an, L. Specia: Multi30K: Multilingual English-German image descriptions. "
    "Workshop on Vision and Language, 2016.",
)
