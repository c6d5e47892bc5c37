// Makes the files before it (front_end.py) a widget; without this one they serve a page or another widget.
// @ts-check
export default { render: renderBatch };
