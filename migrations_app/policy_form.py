"""The form of a migration policy; the flow decides what is right."""

from __future__ import annotations

from typing import Any

from django import forms

from fleet.models import Site
from fleet.views.forms import LookMixin, words
from migrations_app.flows.policies import FIELDS
from migrations_app.models import MigrationPolicy
from migrations_app.models.policy import MAX_DURATION_S
from migrations_app.options import MAX_BANDWIDTH_MIB_S, MAX_CONNECTIONS, MAX_DOWNTIME_MS


class PolicyForm(LookMixin, forms.Form):
    """What is promised, what may be done to keep it, and whom it is for."""

    name = forms.CharField(max_length=60)
    description = forms.CharField(max_length=300, required=False, help_text="When to choose it, in a sentence.")
    max_pause_ms = forms.IntegerField(
        min_value=1,
        max_value=MAX_DOWNTIME_MS,
        initial=300,
        label="Longest pause, ms",
        help_text="As the guest sees it.",
    )
    max_duration_s = forms.IntegerField(
        min_value=0,
        max_value=MAX_DURATION_S,
        initial=0,
        label="Give up after, s",
        help_text="The guest stays where it is then. 0: no limit.",
    )
    may_throttle = forms.BooleanField(
        required=False, initial=True, label="Slow the guest's CPUs down when it writes faster than the link carries"
    )
    may_pause = forms.BooleanField(required=False, label="Stop the guest for the rest, within the longest pause")
    may_post_copy = forms.BooleanField(
        required=False,
        label="Let it run at the destination before all its memory is there (needs both hosts until it is)",
    )
    encryption = forms.ChoiceField(choices=MigrationPolicy.Encryptions.choices, label="Encrypt its data on the way")
    bandwidth_mib_s = forms.IntegerField(
        min_value=0, max_value=MAX_BANDWIDTH_MIB_S, initial=0, label="At most, MiB/s", help_text="0: no limit."
    )
    bandwidth_share_percent = forms.IntegerField(
        min_value=1, max_value=100, initial=100, label="Share of the link, %", help_text="Of the narrowest on the way."
    )
    parallel = forms.IntegerField(
        min_value=0, max_value=MAX_CONNECTIONS, initial=0, label="Connections", help_text="More than one: no post-copy."
    )
    compression = forms.ChoiceField(choices=MigrationPolicy.Compressions.choices, required=False)
    tags = forms.CharField(required=False, help_text="For guests with one of these tags. Comma-separated words.")
    sites = forms.ModelMultipleChoiceField(Site.objects.none(), required=False, help_text="For guests at these sites.")

    def __init__(self, *args: Any, sites: Any, policy: MigrationPolicy | None = None, **kwargs: Any) -> None:
        if policy is not None:
            known = {name: getattr(policy, name) for name in FIELDS}
            kwargs["initial"] = known | {"tags": ", ".join(policy.tags), "sites": policy.sites.all()}
        super().__init__(*args, **kwargs)
        self.fields["sites"].queryset = sites  # type: ignore[attr-defined]

    def clean_tags(self) -> list[str]:
        """As a list."""
        return words(self.cleaned_data["tags"])
