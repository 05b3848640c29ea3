# A node of a Ray cluster that runs jobs with qstate. Ray and Python are those of its clients.
FROM rayproject/ray:2.60.0-py311

COPY pyproject.toml README.md LICENSE /opt/qstate/
COPY src /opt/qstate/src
RUN pip install --no-cache-dir "/opt/qstate[all]"
