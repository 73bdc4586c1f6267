panel => {
    const log = panel.bench = { keys: [], inputs: 0, shown: {}, refined: {} };
    panel.addEventListener('keydown', () => log.keys.push(performance.now()), true);
    panel.addEventListener('input', event => { log.inputs += event.target.type === 'range'; }, true);
    panel.addEventListener('change', event => {
        if (event.target.tagName === 'SELECT') log.keys.push(performance.now());
    }, true);
    const note = (list, turn) => requestAnimationFrame(() => { list[turn] ??= performance.now(); });
    // The panel says so when a picture, or a sentence in its place, has been drawn.
    new MutationObserver(() => {
        note(log.shown, panel.dataset.turn);
        if (panel.dataset.state === 'refined') note(log.refined, panel.dataset.turn);
    }).observe(panel, { attributes: true, attributeFilter: ['data-turn', 'data-state'] });
}
