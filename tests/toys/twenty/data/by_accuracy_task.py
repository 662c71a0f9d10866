"""The images' task, stopped and selected by accuracy."""

from ffrepro.data import images_task


class Task(images_task.Task):
    """Higher is better here."""

    watch = ("accuracy", "max")
