"""`migrations/ID/receipt/` and `receipts/key/`: the proof of a move as a file, and the key it is checked with."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api.endpoint import Endpoint
from fleet.api.problems import Problem
from fleet.api.schema import problems
from fleet.jobs.visibility import visible_jobs
from migrations_app.models import Migration
from migrations_app.receipts import own_key, seal


class SignatureSerializer(serializers.Serializer[Any]):
    """Who signed, and how."""

    algorithm = serializers.CharField()
    key_id = serializers.CharField(help_text="The first 16 hex digits of the SHA-256 of the public key's 32 bytes.")
    value = serializers.CharField(help_text="Base64, over the receipt's canonical JSON.")


class ReceiptSerializer(serializers.Serializer[Any]):
    """A receipt that others can check."""

    kind = serializers.CharField()
    receipt = serializers.DictField()
    signature = SignatureSerializer()


class Receipts(Endpoint):
    """Proofs of moves."""

    serializer_class = ReceiptSerializer

    @extend_schema(operation_id="migrations_receipt", responses={200: ReceiptSerializer, **problems(404)})
    def read(self, request: Request, pk: Any = None) -> Response:
        """The receipt of a move that arrived, signed, as a file to keep."""
        rows = Migration.objects.select_related("job")
        if self.principal.everywhere is None:
            rows = rows.filter(job__in=visible_jobs(self.principal).values("pk"))
        row = rows.filter(pk=pk).first()
        if row is None:
            raise NotFound
        if not row.receipt_signature:
            text = "There is no receipt: the guest has not arrived, or did so before receipts were signed."
            raise Problem(HTTPStatus.NOT_FOUND, "no_receipt", text)
        document = seal.exported(row.receipt, seal.Signature(row.receipt_key, row.receipt_signature))
        name = f"receipt-{row.pk}.json"
        return Response(document, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @extend_schema(
        operation_id="receipts_key",
        responses={(200, "application/x-pem-file"): OpenApiResponse(OpenApiTypes.STR), **problems()},
    )
    def key(self, request: Request) -> HttpResponse:
        """The public key that receipts of this installation are checked with, as PEM."""
        headers = {"X-Key-Id": own_key.key_id()}
        return HttpResponse(own_key.public_pem(), content_type="application/x-pem-file", headers=headers)
