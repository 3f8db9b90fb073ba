import pytest

from chatcluster.task.rendezvous import shards_of

TASKS = [f"task-{number}/a" for number in range(5)]


@pytest.mark.parametrize("shards", [1, 16, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_each_shard_falls_to_one_task(shards: int, count: int) -> None:
    """All of them, none twice, and no task has more than its share, rounded up."""
    shares = [shards_of(task, TASKS[:count], shards) for task in TASKS[:count]]

    assert sorted(shard for share in shares for shard in share) == list(range(shards))
    assert max(len(share) for share in shares) <= -(-shards // count)


def test_everybody_finds_the_same() -> None:
    """In whatever order the tasks are listed."""
    assert shards_of(TASKS[1], TASKS, 16) == shards_of(TASKS[1], TASKS[::-1], 16)


def test_most_shards_stay_where_they_are() -> None:
    """When a task leaves, few other shards than its own move."""
    before = {shard: task for task in TASKS for shard in shards_of(task, TASKS, 100)}
    left = TASKS[1:]
    after = {shard: task for task in left for shard in shards_of(task, left, 100)}

    moved = [shard for shard, task in before.items() if task != TASKS[0] and after[shard] != task]

    assert len(moved) <= 20


@pytest.mark.parametrize("tasks", [[], ["another"]])
def test_nothing_falls_to_a_task_that_is_not_listed(tasks: list[str]) -> None:
    """Not even if nobody is."""
    assert shards_of("me", tasks, 16) == frozenset()
