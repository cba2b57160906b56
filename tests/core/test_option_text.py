"""Texts that name options of their reader."""

import pickle

from customersms_async._recipients.option_text import Option, OptionText

TEXT = OptionText("{x=} needs ", Option("text"), " or ", Option("text_file"))


def test_an_option_is_named_as_in_python():
    """As a string, a text names its options as keyword arguments."""
    assert "{x=} needs text= or text_file=" == TEXT


def test_an_option_is_named_as_its_reader_wants():
    """Only options are spelled anew, not words that look like one."""
    assert "{x=} needs <text> or <text_file>" == TEXT.spelled("<{}>".format)


def test_a_text_survives_a_pickle():
    """A copy from another process can be spelled anew too."""
    copy = pickle.loads(pickle.dumps(TEXT))

    assert (TEXT, TEXT.parts) == (copy, copy.parts)
