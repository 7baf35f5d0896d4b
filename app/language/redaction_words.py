"""The words by which `redaction` knows what a number or an address is, native and as typed in Latin letters."""

from typing import Final

CODES: Final = frozenset(
    {
        "otp", "pin", "cvv", "cvc", "mpin", "passcode", "password", "one-time", "o t p", "o tp", "security code",
        "verification code",
        "ओटीपी", "पिन", "सीवीवी", "पासवर्ड", "एमपिन", "ओ टी", "टी पी",
        "ஓடிபி", "ஒடிபி", "பின்", "சிவிவி", "பாஸ்வேர்ட்", "கடவுச்சொல்", "ஓ டி",
        "ఓటీపీ", "ఓటిపి", "ఒటిపి", "పిన్", "సీవీవీ", "పాస్వర్డ్", "ఓ టీ",
    }
)  # fmt: skip
"""Words beside a secret code."""

POSTCODES: Final = frozenset(
    {
        "pincode", "postcode", "zip", "pin code", "postal code", "पिनकोड", "पिन कोड", "பின்கோடு", "பின் கோடு", "பின்கோட்",
        "பின் கோட்", "పిన్కోడ్", "పిన్ కోడ్",
    }
)  # fmt: skip
"""Words that make a six-digit number a place and no secret."""

ACCOUNTS: Final = frozenset(
    {
        "account", "acct", "a/c", "khata", "khaata", "kanakku", "khaathaa", "खाता", "खाते", "अकाउंट", "एकाउंट", "கணக்கு",
        "அக்கவுண்ட்", "அக்கவுன்ட்", "கணக்கின்", "ఖాతా", "అకౌంట్", "అకౌంటు", "ఎకౌంట్",
    }
)  # fmt: skip
"""Words before a bank account."""

BUSINESS: Final = frozenset(
    {
        "order", "invoice", "bill", "ticket", "tracking", "awb", "shipment", "booking", "reference", "ref",
        "rupees", "rupee", "rs", "inr", "rupaye", "rupay", "rupaiye", "rubai", "roobai", "rubaai",
        "rupayalu", "roopayalu", "lakh", "crore",
        "ऑर्डर", "आर्डर", "बिल", "इनवॉइस", "टिकट", "बुकिंग", "रुपये", "रुपए", "रूपये", "रुपया", "लाख", "करोड़",
        "ஆர்டர்", "பில்", "இன்வாய்ஸ்", "டிக்கெட்", "புக்கிங்", "ரூபாய்", "ரூபா", "லட்சம்", "கோடி",
        "ఆర్డర్", "ఆర్డరు", "బిల్లు", "బిల్", "ఇన్వాయిస్", "టికెట్", "బుకింగ్", "రూపాయలు", "రూపాయల", "లక్ష", "కోటి",
    }
)  # fmt: skip
"""Words beside numbers of the business: orders, amounts. What the card's check digit proves is a card even so."""

AT: Final = (
    ("at", "the", "rate", "of"), ("at", "the", "rate"), ("at", "rate"), ("at", "d", "rate"), ("at", "di", "rate"),
    ("एट", "द", "रेट"), ("ऐट", "द", "रेट"), ("अट", "द", "रेट"), ("एट", "दि", "रेट"), ("ऐट", "दि", "रेट"), ("एट", "रेट"),
    ("ऐट", "रेट"), ("ऍट", "द", "रेट"),
    ("அட்", "த", "ரேட்"), ("அட்", "தி", "ரேட்"), ("ஆட்", "த", "ரேட்"), ("அட்", "ரேட்"), ("ஏட்", "த", "ரேட்"), ("ஆட்", "தி", "ரேட்"),
    ("ఎట్", "ది", "రేట్"), ("అట్", "ద", "రేట్"), ("ఎట్", "ద", "రేట్"), ("అట్", "ది", "రేట్"), ("ఎట్", "రేట్"), ("యాట్", "ది", "రేట్"),
    ("యాట్", "ద", "రేట్"),
    ("at",), ("एट",), ("ऐट",), ("அட்",), ("ఎట్",), ("యాట్",),
)  # fmt: skip
"""Ways to say @, the longest first; the single words count only before a host with a dot."""

DOTS: Final = frozenset(
    {"dot", "डॉट", "डाट", "டாட்", "டொட்", "డాట్", "underscore", "dash", "अंडरस्कोर", "அண்டர்ஸ்கோர்", "అండర్స్కోర్"}
)
TOP_LEVEL: Final = frozenset(
    {"com", "in", "co", "org", "net", "edu", "gov", "कॉम", "काम", "इन", "को", "காம்", "இன்", "కామ్", "ఇన్", "కాం"}
)
MAIL_HOSTS: Final = frozenset(
    {
        "gmail", "yahoo", "hotmail", "outlook", "rediffmail", "icloud", "proton", "protonmail",
        "जीमेल", "याहू", "हॉटमेल", "आउटलुक", "रेडिफमेल", "ஜிமெயில்", "யாகூ", "ஹாட்மெயில்", "அவுட்லுக்",
        "జీమెయిల్", "జిమెయిల్", "యాహూ", "హాట్మెయిల్", "అవుట్లుక్",
    }
)  # fmt: skip
UPI_HANDLES: Final = frozenset(
    {
        "okaxis", "oksbi", "okicici", "okhdfcbank", "ybl", "ibl", "axl", "paytm", "upi", "apl", "yapl", "ptyes",
        "ptsbi",
        "pthdfc", "ptaxis", "axisbank", "icici", "sbi", "hdfcbank", "kotak", "airtel", "fbl", "barodampay",
        "पेटीएम", "यूपीआई", "பேடிஎம்", "யுபிஐ", "పేటీఎం", "యూపీఐ",
    }
)  # fmt: skip
"""The part of a UPI id behind the @, as banks and apps give it."""

BEFORE_ADDRESS: Final = frozenset(
    {
        "is", "my", "id", "email", "mail", "e-mail", "address", "hai", "mera", "meri", "to", "on", "and",
        "है", "मेरा", "मेरी", "आईडी", "ईमेल", "मेल", "पता", "என்", "என்னோட", "ஐடி", "இமெயில்", "மெயில்",
        "నా", "ఐడి", "ఐడీ", "ఈమెయిల్", "మెయిల్",
    }
)  # fmt: skip
"""Words at which the part before the @ certainly begins."""

LETTERS: Final = {
    word: letter
    for letter, spoken in {
        "A": "ए ஏ ఏ", "B": "बी பி బి బీ", "C": "सी சி సి సీ", "D": "डी டி డి డీ", "E": "ई ஈ ఇ ఈ", "F": "एफ எஃப் ఎఫ్",
        "G": "जी ஜி జి జీ", "H": "एच எச் ఎచ్ హెచ్", "I": "आई ஐ ఐ", "J": "जे ஜே జే", "K": "के கே కే", "L": "एल எல் ఎల్",
        "M": "एम எம் ఎం ఎమ్", "N": "एन என் ఎన్", "O": "ओ ஓ ఓ", "P": "पी பீ పి పీ", "Q": "क्यू க்யூ క్యూ",
        "R": "आर ஆர் ఆర్", "S": "एस எஸ் ఎస్", "T": "टी டீ టి టీ", "U": "यू யு யூ యు యూ", "V": "वी வி వి వీ",
        "W": "डब्ल्यू டபிள்யூ డబ్ల్యూ", "X": "एक्स எக்ஸ் ఎక్స్", "Y": "वाई ஒய் వై", "Z": "ज़ेड जेड இசட் ஜெட் జెడ్",
    }.items()
    for word in spoken.split()
}  # fmt: skip
"""The names of Latin letters in Devanagari, Tamil and Telugu."""
