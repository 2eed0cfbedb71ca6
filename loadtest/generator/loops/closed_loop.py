"""The closed loop: a user sends, waits for the answer, pauses, and sends again."""

from locust import task
from locust.exception import StopUser

from loadtest.generator.loops.user import MeasuredUser


class ClosedLoopUser(MeasuredUser):
    """Asks as fast as its answers and its `wait_time` let it, so a slow server is asked less."""

    abstract = True

    @task
    def predict(self) -> None:
        """One request, unless the test is over."""
        if self.marks.over:
            raise StopUser
        self.send()
