// Two bodies under gravity in float64, integrated by velocity Verlet: soft double on every target here.
#include "kernel.h"

struct body {
    double x, y, vx, vy, mass;
};
static struct body bodies[3];

static void accelerate(double dt)
{
    for (int i = 0; i < 3; i++)
        for (int j = i + 1; j < 3; j++) {
            struct body *a = &bodies[i], *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, d2 = dx * dx + dy * dy + 0.01;
            double pull = dt / (d2 * (1.0 + d2));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
        }
    for (int i = 0; i < 3; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
    }
}

EXPORT uint32_t run(uint32_t n)
{
    for (int i = 0; i < 3; i++)
        bodies[i] = (struct body){1.0 + i, 0.5 * i, 0.1 * i, 0.3 - 0.1 * i, 1.0 / (1 + i)};
    while (n--)
        for (int i = 0; i < 10; i++) accelerate(0.015625);
    return (uint32_t)(int32_t)(bodies[0].x * 1e6) ^ (uint32_t)(int32_t)(bodies[2].vy * 1e6);
}
