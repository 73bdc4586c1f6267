area => {
    const log = area.bench = { keys: [], shown: [] };
    area.addEventListener('keydown', () => log.keys.push(performance.now()), true);
    new MutationObserver(changes => {
        for (const change of changes) for (const node of change.addedNodes) {
            const image = node.querySelector?.('img');
            const note = () => log.shown.push(performance.now());
            image?.addEventListener('load', () => requestAnimationFrame(note));
        }
    }).observe(area, { childList: true, subtree: true });
}
