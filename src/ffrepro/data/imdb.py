"""IMDB: 50,000 labelled film reviews (Maas et al. 2011)."""

from ffrepro.data.reviews import ReviewSpec

SPEC = ReviewSpec(
    name="imdb",
    title="IMDB",
    pattern=r"aclImdb/(?P<part>train|test)/(?P<label>neg|pos)/\d+_\d+\.txt",
    classes=("neg", "pos"),
    train_count=25000,
    test_count=25000,
    licence="none stated upstream; the authors ask for a citation",
    citation="A. L. Maas, R. E. Daly, P. T. Pham, D. Huang, A. Y. Ng, C. Potts: Learning word vectors for sentiment "
    "analysis. ACL 2011.",
)
