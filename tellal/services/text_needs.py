"""Whether somebody has everything that a text to him needs to say."""

from tellal.domain.errors import InvalidInputError
from tellal.ports import ExampleRenderer
from tellal.services.wording import Spoken
from templates.variables import is_blank, look_up


def lacks_words(texts: ExampleRenderer, said: Spoken) -> bool:
    """Say whether a text lacks a variable that it cannot do without.

    Of a text that there is not nothing is said: whoever fills it in will find out.
    """
    try:
        needed = texts.required_variables(
            topic=said.topic, channel=said.channel, language=said.language
        )
    except InvalidInputError:
        return False
    return any(is_blank(look_up(said.variables, tuple(path.split(".")))) for path in needed)
