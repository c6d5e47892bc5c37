"""The class as a service of a JupyterHub: its proxy shows it below /services/lesions/.

Start the class beside the hub, as you start other services of the machine, and add this to the hub's own
configuration. (The hub could start it as well, but gives up on a service that takes longer than half a minute.)
Learners sign in with the class's token, not with the hub's accounts::

    lesionviz dashboard --class 40 --port 8866 --base-url /services/lesions/ --allow-host hub.example
"""

c = get_config()  # noqa: F821 - JupyterHub gives it

c.JupyterHub.services = [{"name": "lesions", "url": "http://127.0.0.1:8866"}]
