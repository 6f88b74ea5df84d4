"""One index less on earnings."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0008_lean_indexes'),
        ('revenue', '0003_defaults'),
    ]

    operations = [
        migrations.AlterField(
            model_name='earning',
            name='transaction',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='earnings', to='payments.transaction'),
        ),
    ]
