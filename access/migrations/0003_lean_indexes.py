"""One index less on entitlements."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('access', '0002_refunds_and_gifts'),
        ('payments', '0008_lean_indexes'),
    ]

    operations = [
        migrations.AlterField(
            model_name='entitlement',
            name='content',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='entitlements', to='access.content'),
        ),
        migrations.AddIndex(
            model_name='entitlement',
            index=models.Index(fields=['content'], name='access_entitlement_content'),
        ),
    ]
