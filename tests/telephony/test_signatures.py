import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo.utils.signature_v3 import construct_get_url, construct_post_url, get_signature_v3

from app.telephony.signatures import canonical, fits, sign

pytestmark = pytest.mark.unit

TOKEN, NONCE = "secret-token", "n0nce"
HOST = "https://v.example.com"


@pytest.mark.parametrize(
    ("method", "url", "form", "signature"),
    [  # computed with `openssl dgst -sha256 -hmac secret-token -binary | base64` over the documented canonical text
        (
            "POST",
            HOST + "/v1/plivo/answer",
            [("To", "918012345678"), ("CallUUID", "abc"), ("From", "919876543210")],
            "fo7M2RKrOcMWJ0p2bc69NM2T3GhwQcbvHcZek39uT9I=",
        ),
        (
            "POST",
            HOST + "/hook?b=2&a=1",
            [("From", "91"), ("CallUUID", "abc")],
            "TowJr761zWoBEGTKP5IJo4Lm6ttg+JHF2LhySqOkF3Y=",
        ),
        ("GET", HOST + "/hook?From=91&CallUUID=abc", [], "zWDjmUQGaVM1H8Pm9nFVyScy4RKgiHhP45e/ZciUg58="),
        ("POST", HOST + "/hook", [], "WJvKl09pTdMAaK+Z1Q82Hya8atczzqq3iVDmtMuD9Pk="),
    ],
)
def test_vectors(method: str, url: str, form: list[tuple[str, str]], signature: str) -> None:
    assert sign(TOKEN, canonical(method, url, form), NONCE) == signature


words = st.text("abcXYZ019_-", min_size=1, max_size=6)


@given(
    st.sampled_from(["GET", "POST"]),
    st.dictionaries(words, words, max_size=4),
    st.dictionaries(words, st.text(max_size=8).filter(lambda text: text.isprintable()), max_size=5),
)
def test_it_agrees_with_the_carriers_own_sdk(method: str, query: dict[str, str], form: dict[str, str]) -> None:
    url = HOST + "/hook" + ("?" + "&".join(f"{key}={held}" for key, held in query.items()) if query else "")
    made = construct_get_url(url, {}) if method == "GET" else construct_post_url(url, dict(form))
    wanted = get_signature_v3(TOKEN.encode(), made.decode(), NONCE).decode()
    assert sign(TOKEN, canonical(method, url, list(form.items())), NONCE) == wanted


RIGHT = sign(TOKEN, "text", NONCE)


@pytest.mark.parametrize(
    ("headers", "right"),
    [
        ({"x-plivo-signature-v3": RIGHT}, True),
        ({"x-plivo-signature-v3": f"wrong, {RIGHT}"}, True),
        ({"x-plivo-signature-ma-v3": RIGHT}, True),
        ({"x-plivo-signature-v3": "wrong", "x-plivo-signature-ma-v3": f"{RIGHT},wrong"}, True),
        ({"x-plivo-signature-v3": RIGHT[:-2]}, False),
        ({"x-plivo-signature-v3": "é,,"}, False),
        ({"x-plivo-signature-v2": RIGHT}, False),
        ({}, False),
    ],
)
def test_any_of_several_signatures_may_fit(headers: dict[str, str], right: bool) -> None:
    assert fits({**headers, "x-plivo-signature-v3-nonce": NONCE}, TOKEN, "text") is right
    assert not fits(headers, TOKEN, "text")
    assert not fits({**headers, "x-plivo-signature-v3-nonce": NONCE + "0"}, TOKEN, "text")
