from inference.markdown import tabulate


def test_words_go_left_and_numbers_right() -> None:
    assert tabulate(["name", "n"], [["a", 10], ["longer", 2]]).splitlines() == [
        "| name   |  n |",
        "| ------ | -: |",
        "| a      | 10 |",
        "| longer |  2 |",
    ]
