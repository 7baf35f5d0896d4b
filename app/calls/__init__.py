"""One live call: session, turn-taking, recorder; and calls over REST."""
