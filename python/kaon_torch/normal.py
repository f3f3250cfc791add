"""The quantile function of the standard normal distribution."""

import torch

# Algorithm AS 241, PPND16 (Wichura, Applied Statistics 37 (1988) 477), as in kaon: coefficients of numerator and
# denominator, of the lowest power first, for the centre, the tails and the far tails.
_CENTRE = (
    (3.3871328727963666080e+0, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
     4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3),
    (1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3, 2.1213794301586595867e+4,
     3.9307895800092710610e+4, 2.8729085735721942674e+4, 5.2264952788528545610e+3))
_TAIL = (
    (1.42343711074968357734e+0, 4.63033784615654529590e+0, 5.76949722146069140550e+0, 3.64784832476320460504e+0,
     1.27045825245236838258e+0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e+0, 1.67638483018380384940e+0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9))
_FAR_TAIL = (
    (6.65790464350110377720e+0, 5.46378491116411436990e+0, 1.78482653991729133580e+0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15))


def normal_quantile(probability):
    """Φ⁻¹ in double precision, with operations that ONNX has; about ±38 at 0 and 1."""
    q = probability - 0.5
    tail = torch.minimum(probability, 1 - probability).clamp(min=torch.finfo(q.dtype).tiny)
    r = torch.sqrt(-torch.log(tail))
    outside = torch.where(r <= 5, _ratio(_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5))
    return torch.where(q.abs() <= 0.425, q * _ratio(_CENTRE, 0.180625 - q * q), torch.sign(q) * outside)


def _ratio(coefficients, r):
    numerator, denominator = (_polynomial(each, r) for each in coefficients)
    return numerator / denominator


def _polynomial(coefficients, r):
    value = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        value = value * r + coefficient
    return value
