"""Sigma files to neutral rules: alone in importing pySigma, and run as a short-lived child process.

Reading order: `files` (which there are; without pySigma), `document` (YAML), `pipelines` (what rules go through first),
`modifiers` and `translate` (values), `condition`, `locate` (where an error is), `compile` (files to rules, and the
child's main).
"""
