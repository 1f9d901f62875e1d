"""False, vacuous and ill-formed statements, each with the way it is expected to fall."""
