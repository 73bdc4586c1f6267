"""Reading a page of ours strictly, for tests of what a hostile name or value does to it."""

from html.parser import HTMLParser

NO_END = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Which tags and attributes a page has, its text, and whether every tag is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], set(), [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        if tag not in NO_END:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
