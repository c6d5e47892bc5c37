export default { render: renderCase };
