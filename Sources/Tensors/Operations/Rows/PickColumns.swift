import System

// T tokens, C channels, I columns to pick
//
//   y[t, i] = x[t, index[i]]      x [T, C], y [T, I]
//   dx[t, c] = Σ_{i: index[i] = c} dy[t, i]
extension Tape {
    /// The columns of a matrix at the positions `index`, in that order; `[tokens, channels]` to `[tokens,
    /// index.count]`.
    package func pickColumns(_ x: Variable, index: [Int]) -> Variable {
        let (tokens, width) = (x.value.rows, x.value.columns)
        invariant(index.allSatisfy { $0 >= 0 && $0 < width }, "a column index is out of range")
        let y = Tensor(shape: [tokens, index.count])
        let grain = max(1, elementGrain / max(1, index.count))
        parallel(tokens, grain: grain) { rows in
            for row in rows {
                let (to, from) = (y.pointer + row * index.count, x.value.pointer + row * width)
                for (i, column) in index.enumerated() { to[i] = from[column] }
            }
        }
        return record("pick columns", y, from: [x]) { dy in
            let to = x.gradientTarget().zeroedIfNew().pointer
            parallel(tokens, grain: grain) { rows in
                for row in rows {
                    let from = dy.pointer + row * index.count
                    for (i, column) in index.enumerated() { to[row * width + column] += from[i] }
                }
            }
        }
    }
}
