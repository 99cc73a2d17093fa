"""What a person may choose on the migrate page; the words become `options.Options`."""

from __future__ import annotations

from typing import Any

from django import forms

from migrations_app.options import Options

DEFAULTS = Options().document()
_NUMBER = {"class": "form-control", "inputmode": "numeric"}
ROUTES = [
    ("", "From host to host"),
    ("relay", "Through Drover, for hosts that cannot reach each other: the guest is suspended all the while"),
]
_TICK = {"class": "form-check-input"}


class OptionsForm(forms.Form):
    """The options that are worth a choice on a page; every one has a good default."""

    bandwidth_mib_s = forms.IntegerField(
        required=False, min_value=0, label="At most, MiB/s", help_text="0: as fast as the link allows."
    )
    max_downtime_ms = forms.IntegerField(
        required=False, min_value=0, label="Longest pause, ms", help_text="0: as the policy says."
    )
    timeout_s = forms.IntegerField(
        required=False,
        min_value=0,
        label="Give up after, s",
        help_text="0: as the policy says. It stays where it is then.",
    )
    parallel = forms.IntegerField(
        required=False, min_value=0, label="Connections", help_text="More than one helps on fast links only."
    )
    route = forms.ChoiceField(
        required=False, choices=ROUTES, widget=forms.RadioSelect, label="How the data travels", initial=""
    )
    map = forms.CharField(required=False, max_length=60)
    policy = forms.CharField(required=False, max_length=60)
    tls = forms.BooleanField(required=False, label="Encrypt the guest's data on its way")
    remove_source = forms.BooleanField(
        required=False, label="Remove copied disks from the source once the guest runs at the destination"
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, initial=DEFAULTS)
        for field in self.fields.values():
            field.widget.attrs.update(_TICK if isinstance(field, forms.BooleanField | forms.ChoiceField) else _NUMBER)

    def document(self) -> dict[str, Any]:
        """The options that differ from the defaults, as the API takes them; of a form nobody filled in: none."""
        if not self.is_bound or not self.is_valid():
            return {}
        chosen = dict(self.cleaned_data)
        chosen["keep_source"] = not chosen.pop("remove_source")
        # A box left alone leaves the choice to the policy.
        chosen["tls"] = chosen["tls"] or None
        return {name: value for name, value in chosen.items() if value is not None and value != DEFAULTS[name]}
