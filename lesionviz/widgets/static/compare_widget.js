export default { render: renderCompare };
