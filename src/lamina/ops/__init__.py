"""Operations on arrays, independent of layers."""
