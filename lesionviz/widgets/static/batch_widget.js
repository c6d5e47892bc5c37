export default { render: renderBatch };
