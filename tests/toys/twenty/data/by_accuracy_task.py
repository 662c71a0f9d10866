"""The images' task, stopped and selected by accuracy."""

from ffrepro.data import images_task

SETTINGS = images_task.SETTINGS


class Task(images_task.Task):
    """Higher is better here."""

    watch = ("accuracy", "max")
