"""How callers ask for a language: {spoken language: {form: {wanted language: sentences}}}."""

REQUESTS = {
    "en-IN": {
        "native": {
            "en-IN": ("Please speak to me in English.", "Can we continue in English?"),
            "hi-IN": ("Can you talk to me in Hindi?", "I don't know English, please speak in Hindi."),
            "ta-IN": ("Talk to me in Tamil, please.", "Could you switch to Tamil?"),
            "te-IN": ("I would like to speak in Telugu.", "Can someone explain it to me in Telugu?"),
        },
        "asr": {
            "en-IN": ("english please speak in english",),
            "hi-IN": ("do you speak hindi",),
            "ta-IN": ("change the language to tamil",),
            "te-IN": ("can you speak telugu",),
        },
    },
    "hi-IN": {
        "native": {
            "en-IN": ("मुझसे अंग्रेज़ी में बात कीजिए।", "इंग्लिश में बोलिए।"),
            "hi-IN": ("हिंदी में बात करो।", "मुझे अंग्रेज़ी नहीं आती, हिंदी में बोलिए।"),
            "ta-IN": ("तमिल में बात कर सकते हैं?", "क्या आप तमिल में बोलेंगे?"),
            "te-IN": ("तेलुगु में बताइए।", "मुझे तेलुगु में समझाइए।"),
        },
        "romanised": {
            "en-IN": ("angrezi mein baat kijiye", "english me bolo"),
            "hi-IN": ("hindi mein baat karo na", "mujhe english nahi aati hindi me boliye"),
            "ta-IN": ("kya aap tamil mein baat karenge", "tamil me batao"),
            "te-IN": ("telugu mein boliye", "mujhe telugu me samjhaiye"),
        },
        "mixed": {
            "en-IN": ("please English में बात कीजिए",),
            "hi-IN": ("language change करके हिंदी में बोलिए",),
            "ta-IN": ("Tamil में continue करें",),
            "te-IN": ("please Telugu में बात कीजिए",),
        },
    },
    "ta-IN": {
        "native": {
            "en-IN": ("இங்கிலீஷ்ல பேசுங்க.", "ஆங்கிலத்துல சொல்லுங்க."),
            "hi-IN": ("ஹிந்தியில பேசுங்க.", "இந்தில பேச முடியுமா?"),
            "ta-IN": ("தமிழ்ல பேசுங்க.", "எனக்கு இங்கிலீஷ் தெரியாது, தமிழ்ல சொல்லுங்க."),
            "te-IN": ("தெலுங்குல பேசுங்க.", "தெலுங்கில பேசலாமா?"),
        },
        "romanised": {
            "en-IN": ("english la pesunga", "inglish la sollunga"),
            "hi-IN": ("hindi la pesunga", "hindila pesa mudiyuma"),
            "ta-IN": ("tamil la pesunga", "enakku hindi theriyadhu thamizhla sollunga"),
            "te-IN": ("telugu la pesunga", "telungula pesalama"),
        },
        "mixed": {
            "en-IN": ("please English ல பேசுங்க",),
            "hi-IN": ("Hindi ல explain பண்ணுங்க",),
            "ta-IN": ("language change பண்ணி தமிழ்ல பேசுங்க",),
            "te-IN": ("Telugu ல பேச முடியுமா",),
        },
    },
    "te-IN": {
        "native": {
            "en-IN": ("ఇంగ్లీష్‌లో మాట్లాడండి.", "ఇంగ్లీషులో చెప్పండి."),
            "hi-IN": ("హిందీలో మాట్లాడండి.", "హిందీలో మాట్లాడగలరా?"),
            "ta-IN": ("తమిళంలో మాట్లాడండి.", "తమిళంలో చెప్తారా?"),
            "te-IN": ("తెలుగులో మాట్లాడండి.", "నాకు హిందీ రాదు, తెలుగులో చెప్పండి."),
        },
        "romanised": {
            "en-IN": ("english lo matladandi", "inglishlo cheppandi"),
            "hi-IN": ("hindi lo matladandi", "hindilo matladagalara"),
            "ta-IN": ("tamil lo matladandi", "tamilamlo cheptara"),
            "te-IN": ("telugulo matladandi", "naaku english raadu telugu lo cheppandi"),
        },
        "mixed": {
            "en-IN": ("please English లో మాట్లాడండి",),
            "hi-IN": ("Hindi లో explain చేయండి",),
            "ta-IN": ("Tamil లో continue చేయగలరా",),
            "te-IN": ("language change చేసి తెలుగులో మాట్లాడండి",),
        },
    },
}
