# the same where App Mesh is the only mesh: releases of App Mesh and of plain Services

given_cluster
releases --only "$meshes" "$PROGRAMS/sluice"
