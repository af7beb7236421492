"""Stop words, such as articles and prepositions, in about twenty languages.

They are removed only from the BM25 query. The index keeps them, so titles of stop words are still found by name. A word
that means a product or a property in another of the languages is not in the list: "hat" is German for "has", "van" is
Dutch for "of".
"""

import re

__all__ = ["content_words", "in_same_language"]

_WORDS = """
a an the of in on at to for from by with and or is are was were be been do does did i you he she it we they me my your
its our their this that these those what which who whom where when why how there here as but if then than so into about
any some have has had will would could should
le la les un une des du de et ou où pour avec dans sur par est qui que ce cette au aux à il elle je
el los las una unos y o para por con en es se su del al mi lo donde dónde está
gli di e per nel della delle dei che è dove uno alla
os as um uma do da dos das em com é onde na
der die das den dem ein eine einen einem einer und oder mit für von im zu zum zur auf aus bei ist wo ich nach
het een met voor te op waar ik naar uit bij
ett et och og eller med för til till på av af som är er det hvor
w z dla jest gdzie się
и в на с для из по не где от к у о или это
ve ile için bir bu nerede
في من على مع أو هذا هل أين و
के का की में से और लिए है को एक
"""
_STOP = frozenset(_WORDS.split())
_AROUND = ".,;:!?¿¡\"'()[]{}«»“”„’…"
_SCRIPTS = re.compile(
    r"([\u0400-\u04ff])|([\u0590-\u05ff])|([\u0600-\u06ff])|([\u0900-\u097f])|([\u3040-\u9fff])|([\uac00-\ud7a3])"
)
_PARTICLES = str.maketrans(dict.fromkeys("的吗呢", " "))  # Chinese, written without spaces


def content_words(text: str) -> str:
    """Remove the stop words of a query.

    Args:
        text: Query text.

    Returns:
        The other words. Empty if the query has only stop words.

    Example:
        >>> content_words("Where is the food for a dog?")
        'food dog?'
    """
    words = text.translate(_PARTICLES).split()
    return " ".join(word for word in words if word.strip(_AROUND).casefold() not in _STOP)


def in_same_language(query: str, text: str) -> bool:
    """Tell whether two texts are known to be in one language: they share a stop word or a script other than Latin.

    Args:
        query: Text of the query.
        text: Text of a product.

    Returns:
        True if they are. False if it is not known.
    """
    words = {word.strip(_AROUND).casefold() for word in query.split()} & _STOP
    if words & {word.strip(_AROUND).casefold() for word in text.split()}:
        return True
    scripts, others = ({found.lastindex for found in _SCRIPTS.finditer(one)} for one in (query, text))
    return bool(scripts & others)
