"""A user is forgotten in several places beside the payments; each is told."""

from worker.erasure import Forgetful


class Forgetting:
    """See erasure.Forgetful. One place after the other; a repeat does what an interruption left."""

    def __init__(self, *places: Forgetful) -> None:
        self._places = places

    async def erase(self, user_id: str) -> None:
        """Forget the user everywhere."""
        for place in self._places:
            await place.erase(user_id)
