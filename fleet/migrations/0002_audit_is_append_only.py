"""The database itself refuses to change or delete an audit row."""

from django.db import migrations

SQLITE = [
    f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON fleet_auditevent "
    "BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END"
    for verb in ("UPDATE", "DELETE")
]
POSTGRES = [
    "CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'audit rows are never changed'; END $$",
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON fleet_auditevent "
    "FOR EACH ROW EXECUTE FUNCTION audit_refuses()",
]


def guard(apps, schema_editor):
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRES:
        schema_editor.execute(statement)


def unguard(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for verb in ("update", "delete"):
            schema_editor.execute(f"DROP TRIGGER audit_no_{verb}")
    else:
        schema_editor.execute("DROP TRIGGER audit_no_change ON fleet_auditevent")
        schema_editor.execute("DROP FUNCTION audit_refuses()")


class Migration(migrations.Migration):
    dependencies = [("fleet", "0001_first_tables")]
    operations = [migrations.RunPython(guard, unguard)]
