internal import CKernels

// a negative slope; σ logistic function; Φ and φ distribution and density of a normal number
//
//   LeakyReLU:   y = x for x > 0, a x elsewhere   dx = dy for x > 0, a dy elsewhere
//   SiLU:        y = x σ(x)                       dx = dy (σ + x σ (1 − σ))
//   GELU:        y = x Φ(x)                       dx = dy (Φ + x φ)

/// Functions of every element. They take either element type, compute in single precision, and return the same type.
extension Tape {
    /// The leaky rectifier (Maas et al., 2013): x for x > 0, slope · x elsewhere.
    package func leakyReLU(_ x: Variable, slope: Float) -> Variable {
        activation(
            "leaky ReLU", x, { ck_leaky_relu($0, $1, slope, $2) },
            { ck_leaky_relu_backward($0, $1, $2, slope, $3, $4) })
    }

    /// The sigmoid-weighted linear unit (arXiv:1606.08415, arXiv:1702.03118): x σ(x).
    package func silu(_ x: Variable) -> Variable {
        activation("SiLU", x, ck_silu, ck_silu_backward)
    }

    /// The Gaussian error linear unit (arXiv:1606.08415): x Φ(x).
    package func gelu(_ x: Variable) -> Variable {
        activation("GELU", x, ck_gelu, ck_gelu_backward)
    }

    private func activation(
        _ name: String, _ x: Variable,
        _ forward: (UnsafeMutablePointer<Float>, UnsafePointer<Float>, Int64) -> Void,
        _ backward:
            @escaping (
                UnsafeMutablePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, Int32, Int64
            ) -> Void
    ) -> Variable {
        let y = Tensor(shape: x.shape, elementType: x.value.elementType)
        parallel(x.value.count, grain: elementGrain) { range in
            forEachBlock(of: range, floats: x.value.scratchFloats(1) + y.scratchFloats(1)) { block in
                let from = block.read(x.value, width: 1)
                let to = block.output(y, width: 1)
                forward(to, from, Int64(block.count))
                block.store(to, y, width: 1)
            }
        }
        return record(name, y, from: [x]) { dy in
            let target = x.gradientTarget(firstShare: .bfloat16)
            let (dx, accumulate): (Tensor, Int32) = (target.tensor, target.accumulate ? 1 : 0)
            let floats = x.value.scratchFloats(1) + dy.scratchFloats(1) + dx.scratchFloats(1)
            parallel(x.value.count, grain: elementGrain) { range in
                forEachBlock(of: range, floats: floats) { block in
                    let (from, dy) = (block.read(x.value, width: 1), block.read(dy, width: 1))
                    let to = block.output(dx, width: 1)
                    backward(to, dy, from, accumulate, Int64(block.count))
                    block.store(to, dx, width: 1)
                }
            }
        }
    }
}
