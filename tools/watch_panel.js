panel => {
    const image = panel.querySelector('.stage img');
    const log = panel.bench = { keys: [], shown: {}, refined: {} };
    panel.addEventListener('keydown', () => log.keys.push(performance.now()), true);
    panel.addEventListener('change', event => {
        if (event.target.tagName === 'SELECT') log.keys.push(performance.now());
    }, true);
    const note = (list, turn) => requestAnimationFrame(() => { list[turn] ??= performance.now(); });
    image.addEventListener('load', () => {
        note(log.shown, image.dataset.turn);
        if (panel.dataset.state === 'refined') note(log.refined, image.dataset.turn);
    });
    // A setting without a picture is answered too.
    new MutationObserver(() => {
        if (!image.hidden) return;
        note(log.shown, panel.dataset.turn);
        note(log.refined, panel.dataset.turn);
    }).observe(panel, { attributes: true, attributeFilter: ['data-turn'] });
}
