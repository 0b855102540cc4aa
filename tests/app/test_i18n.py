import re
from pathlib import Path

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


def test_the_switch_goes_before_the_browser() -> None:
    assert speak("en-US", "a=b; language=zh") is CHINESE
    assert speak("zh-CN", "language=en") is ENGLISH
    for odd in ("language=xx", "=;;;", "language", "\x00", "language=zh; a[b]=c", None):
        assert speak("en", odd) in (ENGLISH, CHINESE)


def test_one_chinese_word_each_for_lesion_and_mask() -> None:
    said = "".join(CHINESE.values())
    assert "病灶" in said and "掩码" in said
    assert not re.search("皮损|病变|掩膜|遮罩|蒙版|请给", said)


def test_every_word_is_used() -> None:
    app = Path(__file__).parents[2] / "app"
    code = "".join(
        path.read_text(encoding="utf-8") for path in app.rglob("*.py") if path.name != "i18n.py"
    )
    computed = {*Measures._fields, "not_a_lesion", "no_lesion"}
    for key in WORDS.keys() - computed:
        assert re.search(rf"\b{key}\b", code), key
