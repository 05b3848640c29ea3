"""The stores that come with qstate, each a plug-in found by its entry point like anyone's."""
