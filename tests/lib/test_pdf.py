"""Documents: plain words in an embedded typeface, the same for the same"""

import io

from pypdf import PdfReader

from legato_payments.lib import pdf

BLOCKS: list[pdf.Block] = [
    pdf.Heading("Statement", is_first=True),
    pdf.Words("Ọlá Ńṣé, “Émile” – ₦ € £"),
    pdf.Facts([("Reference", "lp" + "0" * 200)]),
    pdf.Sum([("Price", "₦13,750.00"), ("Paid", "₦14,781.25")]),
]


def read(*blocks: pdf.Block) -> PdfReader:
    return PdfReader(io.BytesIO(pdf.build(title="Title", author="Legato", blocks=blocks)))


def words_of(*blocks: pdf.Block) -> str:
    return "\n".join(page.extract_text() for page in read(*blocks).pages)


def test_draws_the_naira_sign_and_nigerian_names() -> None:
    said = words_of(*BLOCKS)

    assert "Ọlá Ńṣé, “Émile” – ₦ € £" in said
    assert "₦14,781.25" in said


def test_a_long_reference_is_broken_and_kept_whole() -> None:
    assert "lp" + "0" * 200 in words_of(*BLOCKS).replace("\n", "")


def test_no_text_is_read_as_markup() -> None:
    hostile = '<img src="http://127.0.0.1:1/x.png"/><b>bold</b> &lt; </para>'

    said = words_of(pdf.Words(hostile), pdf.Facts([(hostile, hostile)]), pdf.Sum([(hostile, "1")]))

    assert (
        said.replace("\n", " ").count('<img src="http://127.0.0.1:1/x.png"/><b>bold</b> &lt;') >= 2
    )


def test_the_same_blocks_are_the_same_bytes() -> None:
    made = {pdf.build(title="Title", author="Legato", blocks=BLOCKS) for _ in range(2)}

    assert len(made) == 1
    assert made != {pdf.build(title="Title", author="Legato", blocks=BLOCKS[:2])}


def test_what_does_not_fit_goes_on_to_the_next_page() -> None:
    many: list[pdf.Block] = [pdf.Words("A sentence that takes a line.")] * 100

    assert len(read(*many).pages) == 4


def test_says_its_title_and_its_language() -> None:
    document = read(*BLOCKS)

    assert document.metadata is not None
    assert (document.metadata.title, document.metadata.author) == ("Title", "Legato")
    assert str(document.root_object["/Lang"]) == "en"
