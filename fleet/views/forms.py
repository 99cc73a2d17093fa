"""Forms of the pages: they only bring words into shape; the flows decide."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms

from fleet.inventory.host_fields import LIMITS
from fleet.models import Host, Site
from fleet.models.host import allowed_transports
from fleet.refusals import Refused
from fleet.states import Role


def words(text: str) -> list[str]:
    """Comma-separated words, each trimmed, none empty."""
    return [word.strip() for word in text.split(",") if word.strip()]


class LookMixin:
    """Tabler's classes on every input, and refusals at their fields."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", _look(field.widget))
            if isinstance(field.widget, forms.TextInput):
                field.widget.attrs.setdefault("autocomplete", "off")

    def refuse(self, refusal: Refused) -> None:
        """Show a refusal at the field it names, or above the form."""
        name = refusal.field.split("/")[-1]
        text = f"{refusal.text} {refusal.remedy}".strip()
        self.add_error(name if name in self.fields else None, text)  # type: ignore[attr-defined]


def _look(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput):
        return "form-check-input"
    return "form-select" if isinstance(widget, forms.Select) else "form-control"


class HostForm(LookMixin, forms.Form):
    """How to reach a host. Nobody types a libvirt URI."""

    name = forms.CharField(max_length=100, help_text="What you call it, for example alpha.")
    address = forms.CharField(max_length=253, help_text="DNS name or IP address.")
    transport = forms.ChoiceField(
        choices=lambda: [(name, name) for name, _ in allowed_transports()],
        help_text="tls needs libvirt's certificates on the host, ssh a login for Drover's key.",
    )
    port = forms.IntegerField(required=False, min_value=1, max_value=65535, help_text="Empty: the transport's own.")
    username = forms.CharField(required=False, max_length=32, label="User", help_text="For ssh. Empty: root.")
    site = forms.ModelChoiceField(Site.objects.none(), required=False, empty_label="no site")
    migration_address = forms.CharField(
        required=False, max_length=253, help_text="Where other hosts send guests to. Empty: the address above."
    )
    tags = forms.CharField(required=False, help_text="Comma-separated words.")
    max_moves_out = forms.IntegerField(
        required=False, min_value=0, max_value=1000, label="Moves at once from here", help_text="Empty: the default."
    )
    max_moves_in = forms.IntegerField(
        required=False, min_value=0, max_value=1000, label="Moves at once to here", help_text="Empty: the default."
    )
    migration_bandwidth_mbps = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000_000,
        label="Its card gives moves, Mbit/s",
        help_text="With it known, one guest moves at full speed while the next gets ready. Empty: not known.",
    )
    ssh_host_key = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, sites: Any, host: Host | None = None, **kwargs: Any) -> None:
        if host is not None:
            words = ("name", "address", "transport", "port", "username", *LIMITS)
            known = {name: getattr(host, name) for name in words}
            more = {"site": host.site_id, "migration_address": host.migration_address, "tags": ", ".join(host.tags)}
            kwargs["initial"] = known | more
        super().__init__(*args, **kwargs)
        self.fields["site"].queryset = sites  # type: ignore[attr-defined]

    def clean_tags(self) -> list[str]:
        """As a list."""
        return words(self.cleaned_data["tags"])


class SiteForm(LookMixin, forms.Form):
    """A place where hosts stand."""

    name = forms.CharField(max_length=100, help_text="For people, for example Frankfurt 2.")
    slug = forms.SlugField(max_length=50, label="Short name", help_text="For addresses and the API, for example fra2.")
    time_zone = forms.ChoiceField(
        choices=lambda: [(zone, zone) for zone in sorted(zoneinfo.available_timezones())], initial="UTC"
    )
    latitude = forms.FloatField(required=False, min_value=-90, max_value=90)
    longitude = forms.FloatField(required=False, min_value=-180, max_value=180)
    max_moves = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=1000,
        label="Moves at once",
        help_text="From and to this site. Empty: no limit but those of hosts and links.",
    )


class TokenForm(LookMixin, forms.Form):
    """A key for a program."""

    name = forms.CharField(max_length=100, help_text="What it is for, for example backup script.")
    role = forms.ChoiceField(choices=[(role.value, role.value) for role in Role])
    site = forms.ModelChoiceField(Site.objects.none(), required=False, empty_label="every site")
    expires_at = forms.DateField(
        required=False, label="Good until", widget=forms.DateInput(attrs={"type": "date"}), help_text="Empty: no end."
    )

    def __init__(self, *args: Any, sites: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["site"].queryset = sites  # type: ignore[attr-defined]
