"""Every entity kind of the contract, in four languages and mixtures, against a fixed day: Saturday 21 Nov 2026."""

import random
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.nlu.entities import EntityFinder, Listening
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack
FINDER = EntityFinder(shipped_packs().packs)
OPEN = Listening()
NOW = datetime(2026, 11, 21, 15, 0, tzinfo=ZoneInfo("Asia/Kolkata"))

# A table of its own: the parser reads the packs' words.
SPOKEN_DIGITS = {
    "en-IN": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "hi-IN": ["shunya", "ek", "do", "teen", "char", "paanch", "chhah", "saat", "aath", "nau"],
    "ta-IN": ["பூஜ்யம்", "ஒன்று", "இரண்டு", "மூன்று", "நான்கு", "ஐந்து", "ஆறு", "ஏழு", "எட்டு", "ஒன்பது"],
    "te-IN": ["సున్నా", "ఒకటి", "రెండు", "మూడు", "నాలుగు", "ఐదు", "ఆరు", "ఏడు", "ఎనిమిది", "తొమ్మిది"],
}


def find(text: str, tag: str, kind: str, *, past: bool = False, listening: Listening = OPEN) -> list[str]:
    entities = FINDER.find(text, language=tag, heard_with=1.0, now=NOW, past=past, listening=listening)
    return [entity.resolved or entity.value for entity in entities if entity.kind == kind]


@pytest.mark.parametrize(
    ("tag", "text", "day"),
    [
        ("en-IN", "tomorrow at five thirty in the evening", "2026-11-22"),
        ("en-IN", "next monday half past six", "2026-11-23"),
        ("en-IN", "november twenty fifth at 10 am", "2026-11-25"),
        ("en-IN", "in three days please", "2026-11-24"),
        ("en-IN", "on 25/11/2026", "2026-11-25"),
        ("hi-IN", "kal shaam paanch baje", "2026-11-22"),
        ("hi-IN", "परसों सुबह", "2026-11-23"),
        ("hi-IN", "kal payment kiya tha", "2026-11-20"),
        ("hi-IN", "पच्चीस तारीख को आइए", "2026-11-25"),
        ("hi-IN", "agle mahine ki paanch tareekh", "2026-12-05"),
        ("hi-IN", "do din baad", "2026-11-23"),
        ("ta-IN", "நாளைக்கு காலைல பத்து மணிக்கு", "2026-11-22"),
        ("ta-IN", "வர்ற திங்கட்கிழமை", "2026-11-23"),
        ("ta-IN", "25 ஆம் தேதி", "2026-11-25"),
        ("te-IN", "repu udayam padi gantalaku", "2026-11-22"),
        ("te-IN", "ఎల్లుండి ఐదున్నరకి", "2026-11-23"),
        ("te-IN", "rendu rojula tarvata", "2026-11-23"),
        ("en-IN", "a week from monday", "2026-11-30"),
        ("en-IN", "two weeks from tomorrow", "2026-12-06"),
        ("en-IN", "by the end of the month", "2026-11-30"),
        ("en-IN", "end of next month", "2026-12-31"),
        ("hi-IN", "mahine ke end mein", "2026-11-30"),
        ("hi-IN", "agle mahine ke end mein", "2026-12-31"),
        ("ta-IN", "மாசக் கடைசியில வாங்க", "2026-11-30"),
        ("te-IN", "nela chivarlo randi", "2026-11-30"),
    ],
)
def test_dates(tag: str, text: str, day: str) -> None:
    assert find(text, tag, "date") == [day]


def test_a_word_for_both_directions_follows_the_matter() -> None:
    assert find("kal", "hi-IN", "date") == ["2026-11-22"]
    assert find("kal", "hi-IN", "date", past=True) == ["2026-11-20"]


@pytest.mark.parametrize(
    ("tag", "text", "time"),
    [
        ("en-IN", "tomorrow at five thirty in the evening", "17:30"),
        ("en-IN", "quarter to six pm", "17:45"),
        ("en-IN", "at 5:30 pm", "17:30"),
        ("en-IN", "ten minutes past five", "17:10"),
        ("en-IN", "in two hours", "17:00"),
        ("hi-IN", "shaam saadhe paanch baje", "17:30"),
        ("hi-IN", "subah sava das baje", "10:15"),
        ("hi-IN", "पौने छह बजे", "17:45"),
        ("hi-IN", "dedh baje dopahar ko", "13:30"),
        ("ta-IN", "saayangaalam anju mani", "17:00"),
        ("ta-IN", "anjarai manikku vaanga", "17:30"),
        ("te-IN", "సాయంత్రం ఐదు గంటలకు", "17:00"),
        ("te-IN", "ఐదింటికి రండి", "17:00"),
        ("te-IN", "ఎల్లుండి ఐదున్నరకి", "17:30"),
        ("en-IN", "eleven forty five", "11:45"),
        ("en-IN", "come at eleven forty five please", "11:45"),
        ("en-IN", "around four", "16:00"),
        ("en-IN", "call me by 6", "18:00"),
        ("hi-IN", "chaar ke aaspaas aaiye", "16:00"),
        ("hi-IN", "paanch bajne mein das minute", "16:50"),
        ("ta-IN", "அஞ்சே முக்கால்", "17:45"),
        ("ta-IN", "ஏழே கால்", "19:15"),
        ("ta-IN", "எட்டரை", "08:30"),
        ("ta-IN", "அஞ்சரைக்கு வாங்க", "17:30"),
        ("te-IN", "పదిన్నరకి రండి", "10:30"),
        ("te-IN", "పావు తక్కువ ఆరుకి", "17:45"),
        ("te-IN", "paavu takkuva aaruki", "17:45"),
    ],
)
def test_times(tag: str, text: str, time: str) -> None:
    assert find(text, tag, "time") == [time]


@pytest.mark.parametrize(
    ("tag", "text", "kind", "value"),
    [
        ("hi-IN", "dedh sau rupaye kat gaye", "amount", "150"),
        ("hi-IN", "ढाई लाख रुपये", "amount", "250000"),
        ("hi-IN", "teen crore bees lakh rupaye", "amount", "32000000"),
        ("ta-IN", "ரெண்டு லட்சம் ரூபாய்", "amount", "200000"),
        ("te-IN", "rendu lakshala rupayalu", "amount", "200000"),
        ("en-IN", "twenty five thousand four hundred and fifty rupees", "amount", "25450"),
        ("en-IN", "i need five hundred pieces of tiles", "quantity", "500"),
        ("hi-IN", "pachas kursiyan chahiye", "quantity", "50"),
        ("en-IN", "my name is Ramesh Kumar", "person", "Ramesh Kumar"),
        ("hi-IN", "main Anita bol rahi hoon", "person", "Anita"),
        ("ta-IN", "en peru Karthik", "person", "Karthik"),
        ("te-IN", "nenu Lakshmi matladutunnanu", "person", "Lakshmi"),
        ("ta-IN", "சென்னைல கடை எப்போ திறக்கும்", "city", "Chennai"),
        ("en-IN", "i want to cancel because it is too late", "reason", "it is too late"),
        ("en-IN", "deliver it to 12 MG road Indiranagar", "address", "12 MG road Indiranagar"),
        ("en-IN", "my order is 4512 and call me on 98765 43210", "phone", "9876543210"),
        ("en-IN", "my order is 4512 and call me on 98765 43210", "digits", "4512"),
        ("en-IN", "four five one two no sorry four five one three", "digits", "4513"),
        ("hi-IN", "nau aath double two saat", "digits", "98227"),
        ("en-IN", "three zeros five", "digits", "0005"),
        ("en-IN", "quadruple nine", "digits", "9999"),
        ("hi-IN", "teen baar shunya paanch", "digits", "0005"),
        ("en-IN", "five k rupees", "amount", "5000"),
        ("en-IN", "my budget is twenty grand", "amount", "20000"),
        ("en-IN", "my order number is eleven forty five", "digits", "1145"),
        ("en-IN", "at four five one two", "digits", "4512"),
        ("en-IN", "this is Ramesh Kumar", "person", "Ramesh Kumar"),
    ],
)
def test_values(tag: str, text: str, kind: str, value: str) -> None:
    assert find(text, tag, kind) == [value]


@pytest.mark.parametrize("minutes", [15, 30, 45])
@pytest.mark.parametrize("hour", range(1, 13))
def test_quarters_of_every_tamil_hour(hour: int, minutes: int) -> None:
    stems = "ஒண்ண ரெண்ட மூண நால அஞ்ச ஆற ஏழ எட்ட ஒன்பத பத்த பதினொண்ண பன்னெண்ட".split()
    said = {15: "ே கால்", 30: "ரை", 45: "ே முக்கால்"}[minutes]
    assert find(stems[hour - 1] + said, "ta-IN", "time") == [f"{hour if 8 <= hour else hour + 12:02}:{minutes}"]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en-IN", "one by one"),
        ("en-IN", "at one of your stores"),
        ("en-IN", "around four people came"),
        ("en-IN", "around four thousand rupees"),
        ("en-IN", "five five"),
        ("hi-IN", "chaar hazaar ke aaspaas"),
        ("ta-IN", "அஞ்சரை கிலோ"),
        ("ta-IN", "அஞ்சே முக்கால் லட்சம்"),
        ("te-IN", "రెండున్నర కిలోలు"),
    ],
)
def test_numbers_that_are_no_times(tag: str, text: str) -> None:
    assert find(text, tag, "time") == []


def test_a_pair_of_numbers_stays_digits_where_digits_are_asked_for() -> None:
    assert find("eleven forty five", "en-IN", "time", listening=Listening("digits", (4, 10))) == []
    assert find("eleven forty five", "en-IN", "digits", listening=Listening("digits", (4, 10))) == ["1145"]


@pytest.mark.parametrize("text", ["four five one k two", "grand total", "K four five one two", "paanch k baad"])
def test_a_letter_is_no_thousand(text: str) -> None:
    assert not {
        value for kind in ("number", "amount", "digits") for value in find(text, "en-IN", kind) if "000" in value
    }


@pytest.mark.parametrize("text", ["this is useless pathetic service", "this is worst", "this is the third time"])
def test_a_complaint_is_no_name(text: str) -> None:
    assert find(text, "en-IN", "person") == []


def test_money_and_count_in_one_sentence() -> None:
    text = "my budget is two lakh rupees for 50 chairs"
    assert find(text, "en-IN", "amount") == ["200000"] and find(text, "en-IN", "quantity") == ["50"]


def test_digit_strings_of_every_length_and_mixture() -> None:
    rng = random.Random(20261121)
    right, wrong = 0, []
    for _ in range(400):
        digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(4, 16)))
        home = rng.choice(list(SPOKEN_DIGITS))
        tags = [home] if rng.random() < 0.6 else [home, "en-IN"]
        words: list[str] = []
        place = 0
        while place < len(digits):
            word = SPOKEN_DIGITS[rng.choice(tags)][int(digits[place])]
            if digits[place : place + 2] == digits[place] * 2 and rng.random() < 0.5:
                words += ["double", word]
                place += 2
            else:
                words.append(word)
                place += 1
        text = " ".join(words)
        if find(text, home, "digits", listening=Listening("digits", (4, 16))) == [digits]:
            right += 1
        else:
            wrong.append((digits, text))
    assert right / 400 >= 0.97, wrong[:5]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en-IN", "i can't come"),
        ("en-IN", "i live in india near gandhi road"),
        ("hi-IN", "दो घंटे बाद फ़ोन कीजिए"),
        ("ta-IN", "கண்டிப்பா வரேன்"),
        ("te-IN", "మా ఇంటికి పది గంటలకు పంపండి"),
    ],
)
def test_words_that_sound_like_a_language_name_none(tag: str, text: str) -> None:
    assert find(text, tag, "language") == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("kannada", "kn-IN"), ("kannadalo", "kn-IN"), ("thamizh", "ta-IN"), ("இந்தில", "hi-IN"), ("telgu", "te-IN")],
)
def test_a_language_named(text: str, wanted: str) -> None:
    (named,) = [e.value for e in FINDER.find(text, language="en-IN", heard_with=1.0, now=NOW) if e.kind == "language"]
    assert named == wanted


def test_an_english_do_counts_nothing() -> None:
    assert find("how much do shoes cost", "en-IN", "quantity") == []
    assert find("do kursiyan chahiye", "hi-IN", "quantity") == ["2"]


ROMANISED = {
    "hi-IN": ["zero", "ek", "do", "teen", "chaar", "paanch", "chheh", "saat", "aath", "nau"],
    "ta-IN": ["pujjiyam", "onnu", "rendu", "munnu", "naalu", "aindu", "aaru", "ezhu", "yettu", "ombathu"],
    "te-IN": ["sunnaa", "okati", "rendu", "muudu", "naalugu", "aidhu", "aaru", "yedu", "enimidhi", "thommidhi"],
}


@pytest.mark.parametrize("tag", list(ROMANISED))
def test_digit_strings_in_chat_spelling_unasked(tag: str) -> None:
    rng = random.Random(4)
    wrong = []
    for _ in range(150):
        digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(4, 16)))
        words = [(ROMANISED[tag] if rng.random() < 0.7 else SPOKEN_DIGITS["en-IN"])[int(digit)] for digit in digits]
        text = f"order number {' '.join(words)}"
        found = find(text, tag, "digits") or find(text, tag, "phone")
        if found != [digits]:
            wrong.append((digits, text, found))
    assert len(wrong) <= 150 * 0.03, (len(wrong), wrong[:5])


@pytest.mark.parametrize(
    ("tag", "text", "kind", "value"),
    [
        ("en-IN", "after three days", "date", "2026-11-24"),
        ("en-IN", "in a week please", "date", "2026-11-28"),
        ("en-IN", "first of next month", "date", "2026-12-01"),
        ("hi-IN", "पहली तारीख को", "date", "2026-12-01"),
        ("hi-IN", "aaj se teen din baad", "date", "2026-11-24"),
        ("hi-IN", "do hafte mein", "date", "2026-12-05"),
        ("hi-IN", "pichle do din mein", "date", None),
        ("hi-IN", "kal nahi parso kar dijiye", "date", "2026-11-23"),
        ("hi-IN", "कल के बजाय परसों", "date", "2026-11-23"),
        ("en-IN", "not today tomorrow", "date", "2026-11-22"),
        ("ta-IN", "நாளைக்கு இல்ல வெள்ளிக்கிழமை", "date", "2026-11-27"),
        ("te-IN", "రేపు కాదు ఎల్లుండి", "date", "2026-11-23"),
        ("en-IN", "at five no at six pm", "time", "18:00"),
        ("ta-IN", "டிசம்பர் மூணாம் தேதி", "date", "2026-12-03"),
        ("ta-IN", "irupathi anjaam thethi", "date", "2026-11-25"),
        ("ta-IN", "adutha maasam anjaam thethi", "date", "2026-12-05"),
        ("ta-IN", "oru vaaram kazhichu", "date", "2026-11-28"),
        ("ta-IN", "moonu naalla", "date", "2026-11-24"),
        ("te-IN", "డిసెంబర్ ఐదో తేదీ", "date", "2026-12-05"),
        ("te-IN", "వచ్చే నెల పదో తేదీ", "date", "2026-12-10"),
        ("te-IN", "rendu rojullo", "date", "2026-11-23"),
        ("te-IN", "vaaram tarvata", "date", "2026-11-28"),
        ("en-IN", "call me after two hours", "time", "17:00"),
        ("hi-IN", "sade gyarah baje", "time", "11:30"),
        ("hi-IN", "aadhe ghante mein", "time", "15:30"),
        ("ta-IN", "அஞ்சே கால் மணிக்கு", "time", "17:15"),
        ("te-IN", "పావు తక్కువ ఆరింటికి", "time", "17:45"),
        ("te-IN", "udayam tommidinnaraki", "time", "09:30"),
        ("en-IN", "two point seven five lakh rupees", "amount", "275000"),
        ("en-IN", "nine ninety nine rupees", "amount", "999"),
        ("en-IN", "twelve fifty rupees", "amount", "1250"),
        ("hi-IN", "das bees rupaye", "amount", "10"),
        ("hi-IN", "साढे चार हज़ार रुपये", "amount", "4500"),
        ("hi-IN", "pauna lakh rupaye", "amount", "75000"),
        ("ta-IN", "இருபத்தஞ்சாயிரம் ரூபாய்", "amount", "25000"),
        ("ta-IN", "நூத்தம்பது ரூபாய்", "amount", "150"),
        ("te-IN", "ఐదొందల రూపాయలు", "amount", "500"),
    ],
)
def test_everyday_ways_to_say_values(tag: str, text: str, kind: str, value: str | None) -> None:
    assert find(text, tag, kind) == ([value] if value is not None else [])


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en-IN", "fifteenth of august nineteen ninety"),
        ("en-IN", "august fifteen nineteen ninety"),
        ("en-IN", "15 august 1990"),
        ("hi-IN", "पंद्रह अगस्त उन्नीस सौ नब्बे"),
        ("hi-IN", "pandrah august nineteen ninety"),
        ("ta-IN", "ஆகஸ்ட் பதினஞ்சு ஆயிரத்து தொள்ளாயிரத்து தொண்ணூறு"),
        ("te-IN", "పదిహేను ఆగస్టు పంతొమ్మిది వందల తొంభై"),
    ],
)
def test_a_date_of_birth_by_voice(tag: str, text: str) -> None:
    assert find(text, tag, "date", listening=Listening("digits", (8, 8))) == ["1990-08-15"]


def test_a_price_behind_a_day_is_no_year() -> None:
    assert find("on 5 january 2000 rupees were debited", "en-IN", "amount") == ["2000"]
