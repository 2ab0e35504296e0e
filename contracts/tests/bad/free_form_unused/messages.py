"""The allow-list names a place that is gone."""

FREE_FORM = {"note/v2 anything": "a note may hold anything", "note/v1 anything": "it once did"}
