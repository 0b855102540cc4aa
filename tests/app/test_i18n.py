from app.i18n import CHINESE, ENGLISH, WORDS, speak
from inference.masks.morphometry import Measures


def test_every_word_is_there_in_both_languages() -> None:
    assert all(english and chinese and english != chinese for english, chinese in WORDS.values())
    assert set(Measures._fields) < set(WORDS)


def test_placeholders_agree() -> None:
    for english, chinese in WORDS.values():
        assert english.count("{") == chinese.count("{")


def test_the_browser_chooses() -> None:
    assert speak("zh-CN,zh;q=0.9,en;q=0.8") is CHINESE
    assert speak("en-US,zh;q=0.5") is ENGLISH
    assert speak("de") is ENGLISH and speak(None) is ENGLISH
