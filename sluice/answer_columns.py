"""Of an answer with several columns, those that are the answer itself."""

# The most telling first.
ANSWERS = ("probability", "prediction", "score", "label")
