"""İYS' codes as data: what each one means for the record that got it.

H111, H113, H114, H155, H501 and H503 stand on İYS' own pages (dev.iys.org.tr). The others are those
of an integrator (Veyosis) that repeats İYS' table with a letter of its own before the same numbers;
what stands in both has the same number there.
"""

from collections.abc import Mapping

from tellal.domain.registry_answers import Taken

CODES: Mapping[str, Taken] = {
    # What was told stands there already: a second hand-over of ours, or somebody was faster.
    "H174": Taken.KNOWN,  # the status must be another than the present one
    # Whether the same record or a newer one is there, must be looked up.
    "H178": Taken.DOUBTFUL,  # not later than the date of the record that is there
    # Nobody ever said yes there, and absence means refusal.
    "H175": Taken.NEEDLESS,  # the first record may not be a refusal
    # Its own mishaps; the record was not taken.
    "H015": Taken.AGAIN,  # something unexpected
    "H083": Taken.AGAIN,  # too many requests in a second
    "H101": Taken.AGAIN,  # could not be written
    "H102": Taken.AGAIN,  # could not be enciphered
    "H103": Taken.AGAIN,  # could not be searched for
    "H123": Taken.AGAIN,  # busy
    "H124": Taken.AGAIN,  # too many requests in a second
    "H179": Taken.AGAIN,  # dates could not be compared
    "H192": Taken.AGAIN,  # its time ran out
    "H412": Taken.AGAIN,  # something unexpected
    "H470": Taken.AGAIN,  # something unexpected
    # The record cannot be so; somebody must look at it.
    "H110": Taken.REJECTED,  # no status
    "H111": Taken.REJECTED,  # no type
    "H112": Taken.REJECTED,  # no date
    "H113": Taken.REJECTED,  # no source
    "H114": Taken.REJECTED,  # no recipient
    "H115": Taken.REJECTED,  # no such status
    "H116": Taken.REJECTED,  # no such role
    "H117": Taken.REJECTED,  # no such type
    "H119": Taken.REJECTED,  # no such source
    "H120": Taken.REJECTED,  # no mail address
    "H121": Taken.REJECTED,  # no number in E.164
    "H155": Taken.REJECTED,  # before 2015-05-01
    "H156": Taken.REJECTED,  # HS_2015 on another day
    "H158": Taken.REJECTED,  # the date is written otherwise
    "H160": Taken.REJECTED,  # a number of more than 15 digits
    "H162": Taken.REJECTED,  # in the future
    "H170": Taken.REJECTED,  # no role
    "H180": Taken.REJECTED,  # no such dealer
    "H194": Taken.REJECTED,  # twice in a batch
    "H408": Taken.REJECTED,  # HS_KARAR must be a refusal
    "H503": Taken.REJECTED,  # no such role
}

UNLISTED = Taken.REJECTED
"""What a code means that is not in the table."""
